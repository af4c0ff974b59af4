output "listener_arn" {
  description = "ARN of the listener, to which rules are added."
  value       = aws_lb_listener.this.arn
}

output "arn_suffix" {
  description = "How CloudWatch calls the load balancer."
  value       = aws_lb.this.arn_suffix
}

output "dns_name" {
  description = "Name by which it is found in the VPC."
  value       = aws_lb.this.dns_name
}

output "zone_id" {
  description = "Hosted zone of that name, for an alias record."
  value       = aws_lb.this.zone_id
}

output "security_group_id" {
  description = "Id of its security group."
  value       = aws_security_group.this.id
}

output "scheme" {
  description = "`https` or `http`."
  value       = local.tls ? "https" : "http"
}

output "port" {
  description = "Where it listens."
  value       = local.port
}
