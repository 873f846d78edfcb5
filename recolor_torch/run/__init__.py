"""What a run is: its targets, plan, record, batches and results."""
