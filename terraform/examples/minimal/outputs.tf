output "mlops" {
  description = "All that `prefect-mlops bootstrap -` reads: names, addresses and ARNs, and no secret."
  value = {
    contract  = 1
    name      = var.name
    region    = var.region
    image     = "${module.registry.urls["worker"]}:${var.image_tag}"
    prefect   = { api_url = var.prefect_api_url, ui_url = trimsuffix(var.prefect_api_url, "/api") }
    work_pool = { name = module.worker.work_pool.name, base_job_template = module.worker.work_pool.base_job_template, concurrency_limit = null }
    buckets   = { data = module.storage.data_bucket, artifacts = module.storage.artifacts_bucket }
    tracking  = { uri = var.mlflow_tracking_uri, ui_url = null, secret_arn = var.mlflow_secret_arn }
    ledger    = { url = null, secret_arn = module.given.arns["ledger-url"] }

    personal_key_secret_arn = module.credentials.arns["personal-key"]
    landing_queue_url       = null
    observer_queue_name     = module.worker.ends_queue.name
    log_groups              = module.worker.log_groups
    alarm_topic_arn         = null
    serving                 = null
  }
}
