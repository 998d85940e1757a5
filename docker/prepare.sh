#!/bin/sh
# Makes what docker-compose.yml needs beside it: its secrets, a folder for medic.yaml, and the group of Docker's socket.
# What is there already is kept, so it may be run again at any time.
set -eu
cd "$(dirname "$0")/.."

# Other accounts of this machine cannot enter the folder; the containers, which are other users, can read its files.
mkdir -p secrets config
chmod 700 secrets

make_secret() {
  if [ ! -s "secrets/$1" ]; then
    LC_ALL=C tr -dc 'A-Za-z0-9' </dev/urandom | head -c 40 >"secrets/.new"
    mv secrets/.new "secrets/$1"
    echo "made secrets/$1"
  fi
  chmod 644 "secrets/$1"
}

make_secret n8n_database_password
make_secret n8n_encryption_key
make_secret medic_database_password
printf 'postgresql://medic:%s@medic-database/medic' "$(cat secrets/medic_database_password)" >secrets/medic_database_url
[ -e secrets/n8n_api_key ] || : >secrets/n8n_api_key
chmod 644 secrets/medic_database_url secrets/n8n_api_key

if [ ! -e config/medic.yaml ]; then
  echo "# What n8n-medic looks after: medic.example.yaml shows everything that may stand here." >config/medic.yaml
  echo "made config/medic.yaml"
fi
if [ -S /var/run/docker.sock ] && ! grep -qs '^DOCKER_GID=' .env; then
  echo "DOCKER_GID=$(stat -c %g /var/run/docker.sock)" >>.env
fi

echo
echo "Ready. Next:"
echo "  docker compose up -d"
echo "  docker compose exec medic-web cat /data/admin_password   # for http://127.0.0.1:8808, user admin"
if [ ! -s secrets/n8n_api_key ]; then
  echo "  Then make an API key in n8n (Settings > n8n API), put it into secrets/n8n_api_key, and:"
  echo "  docker compose restart medic-web medic-worker"
  echo "  docker compose exec medic-worker medic connect --address http://medic-web:8808 --no-config"
fi
