"""The engines that run slices: in this process, or on Ray; their queue, throughput and metrics."""
