"""Apache Kafka for the lab: a broker, and an exporter with the metric names of kafka_exporter."""
