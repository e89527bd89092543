"""What a deployment needs besides prefect.yaml, and the demonstration on the local environment."""
