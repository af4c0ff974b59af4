#!/usr/bin/env bash
# Plans both examples against moto on this machine, without an account, and prints what an idle month of each costs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

stop() {
    echo "cost: $*" >&2
    exit 1
}

command -v terraform >/dev/null || stop "terraform is not on the PATH; install 1.11 or newer, or pass a plan of your own: terraform show -json PLANFILE | python -m prefect_mlops.deployments.costs -"

folder=$(mktemp -d)
trap '[[ -z ${moto:-} ]] || kill "$moto" 2>/dev/null || true; rm -rf "$folder"' EXIT
port=$(.venv/bin/python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
MOTO_IAM_LOAD_MANAGED_POLICIES=true .venv/bin/moto_server -H 127.0.0.1 -p "$port" >"$folder/moto.log" 2>&1 &
moto=$!
until .venv/bin/python -c "import httpx; httpx.get('http://127.0.0.1:$port/moto-api/')" 2>/dev/null; do
    kill -0 "$moto" 2>/dev/null || stop "moto did not start: $(tail -n 1 "$folder/moto.log")"
    sleep 0.5
done

export AWS_ENDPOINT_URL="http://127.0.0.1:$port" AWS_ACCESS_KEY_ID=testing AWS_SECRET_ACCESS_KEY=testing TF_IN_AUTOMATION=1 TF_INPUT=0
cp -r terraform "$folder/terraform"
variables() {
    case $1 in
        minimal) printf '%s\n' -var=prefect_api_url=https://prefect.example.org/api -var=mlflow_tracking_uri=https://mlflow.example.org ;;
        production) printf '%s\n' -var=plain_http=true '-var=models={"flights-late"={priority=100}}' ;;
    esac
}
for example in "${@:-minimal production}"; do
    for name in $example; do
        root=$folder/terraform/examples/$name
        # The plan is made for moto: no real account is asked.
        printf 'provider "aws" {\n  s3_use_path_style           = true\n  skip_credentials_validation = true\n  skip_metadata_api_check     = true\n  max_retries                 = 2\n}\n' >"$root/moto_override.tf"
        mapfile -t given < <(variables "$name")
        terraform -chdir="$root" init -no-color ${TF_PLUGIN_DIR:+-plugin-dir="$TF_PLUGIN_DIR"} >"$folder/init.log" 2>&1 ||
            stop "Terraform's provider cannot be had: $(grep -m 1 -A 4 Error "$folder/init.log") Check the network, or name a folder that holds it in TF_PLUGIN_DIR."
        {
            terraform -chdir="$root" plan -no-color -refresh=false -parallelism=2 -out=planned "${given[@]}"
        } >"$folder/$name.log" 2>&1 || stop "the example $name cannot be planned: $(grep -m 3 -A 4 Error "$folder/$name.log" || tail -n 5 "$folder/$name.log")"
        terraform -chdir="$root" show -json planned | .venv/bin/python -m prefect_mlops.deployments.costs - --name "$name"
    done
done
