"""Apache Kafka for the lab: the broker, and an exporter with the metric names of kafka_exporter."""
