output "mlops" {
  description = "What the Python side reads; the same keys in every environment, null where there is no such part."
  value = {
    environment         = var.name
    region              = var.region
    work_pool           = module.worker.work_pool
    prefect_api_url     = module.server.api_url
    mlflow_tracking_uri = module.tracking.url
    repositories        = module.registry.urls
    buckets             = { data = module.storage.data_bucket, artifacts = module.storage.artifacts_bucket, logs = module.storage.logs_bucket }
    serving             = { target = module.serving.target, services = module.serving.services, spool = module.serving.spool }
    queues              = module.events.queue_urls
    log_groups          = merge(module.worker.log_groups, { serving = module.serving.target.log_group, tracking = module.tracking.log_group }, { for index, group in module.server.log_groups : "server-${index}" => group })
    roles               = { flow = module.worker.flow_role_arn, flow_execution = module.worker.flow_execution_role_arn, worker = module.worker.worker_role_arn }
  }
}

output "ci_roles" {
  description = "ARN of each role of the workflows; empty without `github_repository`."
  value       = try(module.ci[0].role_arns, {})
}
