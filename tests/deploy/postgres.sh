#!/bin/sh
# Does what the entry point of PostgreSQL's own image does with the words that our Compose file gives.
set -eu
data=/var/lib/postgresql/18/docker
if [ ! -s "$data/PG_VERSION" ]; then
    mkdir -p "$data"
    # shellcheck disable=SC2086 - several words
    initdb --pgdata "$data" --username "$POSTGRES_USER" --pwfile "$POSTGRES_PASSWORD_FILE" $POSTGRES_INITDB_ARGS
    echo "host all all all scram-sha-256" >>"$data/pg_hba.conf"
    echo "CREATE DATABASE $POSTGRES_DB" | postgres --single -D "$data" postgres
fi
exec "$@" -D "$data" -c listen_addresses='*' -c unix_socket_directories=/var/run/postgresql
