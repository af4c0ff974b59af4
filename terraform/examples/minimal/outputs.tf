output "mlops" {
  description = "What `prefect-mlops bootstrap` reads; the same keys in every environment, null where there is no such part."
  sensitive   = true # nothing in it is secret, but it is long, and every apply would print it
  value = {
    contract                = 1
    name                    = var.name
    region                  = var.region
    image                   = local.image
    prefect                 = { api_url = var.prefect_api_url, ui_url = coalesce(var.prefect_ui_url, replace(var.prefect_api_url, "/\\/api.*/", "")) }
    work_pool               = { name = module.worker.work_pool.name, base_job_template = module.worker.work_pool.base_job_template, concurrency_limit = var.most_runs }
    buckets                 = { data = module.storage.data_bucket, artifacts = module.storage.artifacts_bucket }
    tracking                = { uri = var.mlflow_tracking_uri, ui_url = null, secret_arn = var.mlflow_secret_arn }
    ledger                  = { url = null, secret_arn = module.addresses.arns["ledger"] }
    personal_key_secret_arn = module.credentials.arns["personal-key"]
    landing_queue_url       = null
    observer_queue_name     = module.worker.ends_queue.name
    log_groups              = module.worker.log_groups
    alarm_topic_arn         = null
    serving                 = null
  }
}

output "next" {
  description = "What comes after an apply."
  value       = "terraform output -json | prefect-mlops bootstrap -"
}
