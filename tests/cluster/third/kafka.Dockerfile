# Stands for the Apache project's image of Kafka: the two scripts that the overlay calls, at the same paths.
FROM localhost/retake-test/base-java:latest
COPY libs /opt/kafka/libs
COPY kafka-storage.sh kafka-server-start.sh /opt/kafka/bin/
USER 1000:1000
