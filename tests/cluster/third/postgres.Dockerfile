# Stands for the official image of PostgreSQL: the same entry point, user, paths and first-start scripts.
FROM localhost/retake-test/base-postgres:latest
RUN usermod --uid 999 postgres && groupmod --gid 999 postgres && mkdir -p /docker-entrypoint-initdb.d /var/run/postgresql
COPY postgres-entrypoint.sh /usr/local/bin/docker-entrypoint.sh
ENV PATH=/usr/lib/postgresql/15/bin:/usr/local/bin:/usr/bin:/bin
USER 999:999
ENTRYPOINT ["/usr/local/bin/docker-entrypoint.sh"]
CMD ["postgres"]
