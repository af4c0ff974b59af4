output "name" {
  description = "Name of the service."
  value       = aws_ecs_service.this.name
}

output "security_group_id" {
  description = "Id of the security group of the tasks."
  value       = aws_security_group.this.id
}

output "task_role_arn" {
  description = "ARN of the role that the tasks have."
  value       = module.task_role.arn
}

output "execution_role_arn" {
  description = "ARN of the role by which ECS starts the tasks."
  value       = module.execution_role.arn
}

output "log_group" {
  description = "Name of the log group."
  value       = aws_cloudwatch_log_group.this.name
}
