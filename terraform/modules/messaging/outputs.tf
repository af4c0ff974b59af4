output "connection" {
  description = "Where it is: `host`, `port` and `security_group_id`; connections are encrypted."
  value = {
    host              = aws_elasticache_replication_group.this.primary_endpoint_address
    port              = aws_elasticache_replication_group.this.port
    security_group_id = aws_security_group.this.id
  }
}
