"""What happens between the queue and the collector: encoding, spooling, sending, trying again."""
