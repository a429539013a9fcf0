#!/bin/sh
# shellcheck disable=SC2086  # the options are several words
exec java ${KAFKA_HEAP_OPTS:-} -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dorg.apache.logging.log4j.level=WARN \
    -cp "/opt/kafka/libs/*" kafka.Kafka "$@"
