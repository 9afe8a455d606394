"""What the integration tests stand on: real processes, a real S3 server, an oracle."""
