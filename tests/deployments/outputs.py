"""What `terraform output -json` prints for an example, as the contract between Terraform and the package has it."""

import json
from typing import Any

__all__ = ["output_of", "printed"]

SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:"
BALANCER = "arn:aws:elasticloadbalancing:eu-west-1:123456789012"
MODELS = ("bike-demand", "flights-late", "wine-cultivar")


def output_of(**changed: Any) -> dict[str, Any]:
    """The value of the output `mlops`, with some of its fields changed."""
    slots = [f"{model}-{slot}" for model in MODELS for slot in "ab"]
    return {
        "contract": 1,
        "name": "mlops",
        "region": "eu-west-1",
        "image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/mlops/worker:1",
        "prefect": {"api_url": "http://127.0.0.1:4200/api", "ui_url": "http://127.0.0.1:4200"},
        "work_pool": {
            "name": "mlops-ecs",
            "base_job_template": {
                "job_configuration": {"image": "{{ image }}", "cluster": "{{ cluster }}"},
                "variables": {
                    "type": "object",
                    "properties": {
                        "image": {"type": "string", "default": "worker:1"},
                        "cluster": {"type": "string", "default": "mlops"},
                    },
                },
            },
            "concurrency_limit": 20,
        },
        "buckets": {"data": "mlops-data-1", "artifacts": "mlops-artifacts-1"},
        "tracking": {"uri": "http://mlflow.mlops:5000", "ui_url": None, "secret_arn": f"{SECRET}mlflow"},
        "ledger": {"url": "postgresql+psycopg://db:5432/ledger", "secret_arn": f"{SECRET}rds"},
        "personal_key_secret_arn": f"{SECRET}personal-key",
        "landing_queue_url": "https://sqs.eu-west-1.amazonaws.com/123456789012/mlops-landing",
        "observer_queue_name": "mlops-ecs-events",
        "log_groups": {"worker": "/mlops/worker", "flows": "/mlops/flows", "serving": "/mlops/serving"},
        "alarm_topic_arn": None,
        "serving": {
            "cluster": "mlops",
            "image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/mlops/serving:1",
            "execution_role_arn": "arn:aws:iam::123456789012:role/mlops-serving-execution",
            "task_role_arn": "arn:aws:iam::123456789012:role/mlops-serving",
            "subnets": ["subnet-1", "subnet-2"],
            "security_groups": ["sg-1"],
            "log_group": "/mlops/serving",
            "token_secret_arn": f"{SECRET}token",
            "address": "http://models.internal/{model}",
            "rules": {model: f"{BALANCER}:listener-rule/app/{model}" for model in MODELS},
            "target_groups": {slot: f"{BALANCER}:targetgroup/{slot}/1" for slot in slots},
            "services": {slot: slot for slot in slots},
        },
        **changed,
    }


def printed(**changed: Any) -> str:
    """What Terraform prints."""
    return json.dumps({"mlops": {"sensitive": False, "type": "dynamic", "value": output_of(**changed)}})
