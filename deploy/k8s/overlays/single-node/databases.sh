#!/bin/sh
# Generated from deploy/compose/databases.sh by `make contracts`; do not edit.
# Run once by the PostgreSQL image, for an empty data directory: a role and a database per service.
set -eu
for service in gateway generator review compiler; do
    variable=$(echo "$service" | tr '[:lower:]' '[:upper:]')_PASSWORD
    password=$(printenv "$variable")
    psql --set ON_ERROR_STOP=1 --username postgres --set role="retake_$service" --set password="$password" <<'SQL'
create role :"role" login password :'password';
create database :"role" owner :"role";
revoke all on database :"role" from public;
SQL
done
