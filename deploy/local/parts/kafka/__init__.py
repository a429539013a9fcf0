"""Apache Kafka on one machine: a single KRaft node from Maven's jars, with the topics of the contracts."""
