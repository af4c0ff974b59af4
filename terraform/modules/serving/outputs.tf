output "target" {
  description = "What the block `EcsTarget` is made of, under the names of its fields."
  value = {
    address                 = "${var.balancer.scheme}://{model}.${var.domain}"
    bentos                  = "s3://${var.bentos}/bentos"
    cluster                 = var.cluster_arn
    cpu                     = var.cpu
    execution_role_arn      = module.execution_role.arn
    image                   = var.image
    log_group               = aws_cloudwatch_log_group.this.name
    memory                  = var.memory
    personal_key_secret_arn = var.personal_key == null ? "" : var.personal_key.secret_arn
    port                    = local.port
    region                  = local.region
    rules                   = { for model, rule in aws_lb_listener_rule.model : model => rule.arn }
    security_groups         = [aws_security_group.servers.id]
    subnets                 = var.subnet_ids
    target_groups           = { for slot, group in aws_lb_target_group.slot : slot => group.arn }
    task_role_arn           = module.server_role.arn
    tasks                   = var.tasks
    token_secret_arn        = var.token == null ? "" : var.token.secret_arn
  }
}

output "services" {
  description = "Name of the ECS service of each slot."
  value       = { for slot, service in aws_ecs_service.slot : slot => service.name }
}

output "spool" {
  description = "Where servers log their predictions; `spool` of the block `PredictionLog`."
  value       = "s3://${var.predictions}/predictions"
}

output "release_statements" {
  description = "What a flow that releases versions may do, for `flow.statements` of the module `worker`."
  value       = [for each in local.release_statements : each if length(each.resources) > 0]
}

output "servers" {
  description = "Port and security group of the servers, for `destinations` of the module `worker`: a release sends requests again to a shadow, past the load balancer."
  value       = { port = local.port, security_group_id = aws_security_group.servers.id }
}
