# Stands for versitygw's own image, which has nothing else in it either.
FROM localhost/retake-test/base-bare:latest
COPY versitygw /usr/local/bin/versitygw
ENTRYPOINT ["/usr/local/bin/versitygw"]
