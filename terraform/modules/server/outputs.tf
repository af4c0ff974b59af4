output "api_url" {
  description = "What workers and clients take as PREFECT_API_URL."
  value       = "${var.url}/api"
}

output "service_names" {
  description = "Names of its ECS services."
  value       = concat([module.api.name], module.services[*].name)
}

output "target_group_suffix" {
  description = "How CloudWatch calls its target group."
  value       = aws_lb_target_group.this.arn_suffix
}

output "log_groups" {
  description = "Names of its log groups."
  value       = concat([module.api.log_group], module.services[*].log_group)
}
