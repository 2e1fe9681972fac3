"""Moving from Feast: its registry read without Feast, and written as a project of Pelton's."""
