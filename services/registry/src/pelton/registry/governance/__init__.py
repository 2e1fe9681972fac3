"""What people lay down and decide about models: policies, evidence, approvals, variants, deprecations."""
