"""What became of every record: the ledger, its files, audit, lock, partitions and counters."""
