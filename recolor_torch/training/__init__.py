"""Training of networks: data, LightningModules, sheets of samples."""
