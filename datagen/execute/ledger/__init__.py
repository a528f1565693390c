"""The ledger, which says how every record ended: its files, audit, lock, partitions and counters."""
