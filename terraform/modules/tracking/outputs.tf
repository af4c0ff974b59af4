output "url" {
  description = "What flows take as MLFLOW_TRACKING_URI."
  value       = var.url
}

output "service_name" {
  description = "Name of its ECS service."
  value       = module.service.name
}

output "target_group_suffix" {
  description = "How CloudWatch calls its target group."
  value       = aws_lb_target_group.this.arn_suffix
}

output "log_group" {
  description = "Name of its log group."
  value       = module.service.log_group
}
