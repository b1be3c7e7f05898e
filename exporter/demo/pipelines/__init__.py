"""What happens now: pipelines, their workflows and jobs, as records with times and as seen at any moment."""
