output "mlops" {
  description = "What the Python side reads; the same keys in every environment, null where there is no such part."
  value = {
    environment         = var.name
    region              = var.region
    work_pool           = module.worker.work_pool
    prefect_api_url     = var.prefect_api_url
    mlflow_tracking_uri = var.mlflow_tracking_uri
    repositories        = module.registry.urls
    buckets             = { data = module.storage.data_bucket, artifacts = module.storage.artifacts_bucket, logs = module.storage.logs_bucket }
    serving             = null
    queues              = {}
    log_groups          = module.worker.log_groups
    roles               = { flow = module.worker.flow_role_arn, flow_execution = module.worker.flow_execution_role_arn, worker = module.worker.worker_role_arn }
  }
}
