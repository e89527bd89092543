"""What a deployment needs beside prefect.yaml, and the demonstration on the local environment."""
