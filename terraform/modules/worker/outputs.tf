output "work_pool" {
  description = "The work pool to make: its `name`, its `type`, and its `base_job_template` as JSON."
  value = {
    name              = var.work_pool
    type              = "ecs"
    base_job_template = jsonencode(local.base_job_template)
  }
}

output "service_name" {
  description = "Name of its ECS service."
  value       = module.service.name
}

output "ends_queue" {
  description = "Names of the queue that says how flow runs end, and of its dead-letter queue."
  value       = { name = module.ends.name, dead_name = module.ends.dead_name }
}

output "flow_role_arn" {
  description = "ARN of the role that flow runs have."
  value       = module.flow_role.arn
}

output "flow_execution_role_arn" {
  description = "ARN of the role by which ECS starts flow runs."
  value       = module.flow_execution_role.arn
}

output "flow_security_group_id" {
  description = "Id of the security group of flow runs."
  value       = aws_security_group.flow.id
}

output "worker_role_arn" {
  description = "ARN of the role that the worker has."
  value       = module.service.task_role_arn
}

output "log_groups" {
  description = "Names of the log groups of the worker and of flow runs."
  value       = { worker = module.service.log_group, flow = aws_cloudwatch_log_group.flow.name }
}
