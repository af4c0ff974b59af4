output "mlops" {
  description = "What `prefect-mlops bootstrap` reads; the same keys in every environment, null where there is no such part."
  sensitive   = true # nothing in it is secret, but it is long, and every apply would print it
  value = {
    contract                = 1
    name                    = var.name
    region                  = var.region
    image                   = local.image
    prefect                 = { api_url = module.server.api_url, ui_url = local.server_url }
    work_pool               = { name = module.worker.work_pool.name, base_job_template = module.worker.work_pool.base_job_template, concurrency_limit = var.most_runs }
    buckets                 = { data = module.storage.data_bucket, artifacts = module.storage.artifacts_bucket }
    tracking                = { uri = module.tracking.url, ui_url = null, secret_arn = null }
    ledger                  = { url = "postgresql+psycopg://${local.ledger.host}:${local.ledger.port}/${local.ledger.name}", secret_arn = local.ledger.secret_arn }
    personal_key_secret_arn = module.credentials.arns["personal-key"]
    landing_queue_url       = module.events.queue_urls["batches"]
    observer_queue_name     = module.worker.ends_queue.name
    log_groups              = merge(module.worker.log_groups, { serving = module.serving.target.log_group, tracking = module.tracking.log_group }, { for index, group in module.server.log_groups : "server-${index}" => group })
    alarm_topic_arn         = module.alarms.topic_arn
    serving = merge(
      { for key, value in module.serving.target : key => value if !contains(["bentos", "personal_key_secret_arn", "region"], key) },
      { services = module.serving.services },
    )
  }
}

output "ci_roles" {
  description = "ARN of each role of the workflows; empty without `github_repository`."
  value       = try(module.ci[0].role_arns, {})
}

output "next" {
  description = "What comes after an apply."
  value       = "terraform output -json | prefect-mlops bootstrap -"
}
