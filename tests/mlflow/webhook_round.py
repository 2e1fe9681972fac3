"""What a script does with MLflow's webhooks; prints what it saw as JSON. The URL is its first argument."""

import json
import sys

import mlflow

client = mlflow.MlflowClient()
made = client.create_webhook(
    name="releases",
    url=sys.argv[1],
    events=[
        mlflow.entities.webhook.WebhookEvent.from_str("model_version.created"),
        mlflow.entities.webhook.WebhookEvent.from_str("model_version_alias.created"),
    ],
    description="of models",
    secret="a shared secret",
)
read = client.get_webhook(made.webhook_id)
listed = client.list_webhooks(max_results=10)
changed = client.update_webhook(
    made.webhook_id,
    status="DISABLED",
    events=[mlflow.entities.webhook.WebhookEvent.from_str("registered_model.created")],
)
tried = client.test_webhook(made.webhook_id)
client.delete_webhook(made.webhook_id)
print(
    json.dumps(
        {
            "read": [read.name, read.url, read.description, str(read.status), [str(one) for one in read.events]],
            "listed": [one.webhook_id == made.webhook_id for one in listed],
            "changed": [str(changed.status), [str(one) for one in changed.events]],
            "tried": [tried.success, bool(tried.error_message)],
            "left": len(client.list_webhooks()),
        }
    )
)
