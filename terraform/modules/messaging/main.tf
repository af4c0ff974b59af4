# The Redis by which several Prefect servers tell each other what happened.

resource "aws_elasticache_subnet_group" "this" {
  name        = "${var.name}-messaging"
  description = "Private subnets of the messaging of ${var.name}."
  subnet_ids  = var.subnet_ids
  tags        = var.tags
}

resource "aws_elasticache_replication_group" "this" {
  #checkov:skip=CKV2_AWS_50: A second node is there unless `replicas` is 0, for trials.
  #checkov:skip=CKV_AWS_31: A token would stand in the state; who may connect is said by the security group, or by `user_group_id`.
  replication_group_id       = "${var.name}-messaging"
  description                = "Messages between the Prefect servers of ${var.name}."
  engine                     = "valkey"
  engine_version             = "8.0"
  node_type                  = var.node_type
  num_cache_clusters         = 1 + var.replicas
  automatic_failover_enabled = var.replicas > 0
  multi_az_enabled           = var.replicas > 0
  port                       = 6379
  subnet_group_name          = aws_elasticache_subnet_group.this.name
  security_group_ids         = [aws_security_group.this.id]
  at_rest_encryption_enabled = true
  kms_key_id                 = var.kms_key_arn
  transit_encryption_enabled = true
  transit_encryption_mode    = "required"
  user_group_ids             = var.user_group_id == null ? null : [var.user_group_id]
  snapshot_retention_limit   = var.snapshot_days
  auto_minor_version_upgrade = true
  apply_immediately          = true
  tags                       = var.tags
}

resource "aws_security_group" "this" {
  name        = "${var.name}-messaging"
  description = "The messaging of ${var.name}."
  vpc_id      = var.vpc_id
  tags        = merge(var.tags, { Name = "${var.name}-messaging" })
}

resource "aws_vpc_security_group_ingress_rule" "client" {
  for_each = var.clients

  security_group_id            = aws_security_group.this.id
  description                  = "From ${each.key}."
  referenced_security_group_id = each.value
  from_port                    = 6379
  to_port                      = 6379
  ip_protocol                  = "tcp"
  tags                         = var.tags
}
