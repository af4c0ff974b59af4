# Whom the tasks may talk to, and who may talk to them: nobody, unless it is named.

resource "aws_security_group" "this" {
  name        = local.full_name
  description = "Tasks of the service ${local.full_name}."
  vpc_id      = var.vpc_id
  tags        = merge(var.tags, { Name = local.full_name })
}

resource "aws_vpc_security_group_egress_rule" "https" {
  security_group_id = aws_security_group.this.id
  description       = "HTTPS, to AWS and to what flows read."
  cidr_ipv4         = "0.0.0.0/0"
  from_port         = 443
  to_port           = 443
  ip_protocol       = "tcp"
  tags              = var.tags
}

resource "aws_vpc_security_group_egress_rule" "destination" {
  for_each = var.destinations

  security_group_id            = aws_security_group.this.id
  description                  = "To ${each.key}."
  referenced_security_group_id = each.value.security_group_id
  from_port                    = each.value.port
  to_port                      = each.value.port
  ip_protocol                  = "tcp"
  tags                         = var.tags
}

resource "aws_vpc_security_group_ingress_rule" "destination" {
  for_each = var.destinations

  security_group_id            = each.value.security_group_id
  description                  = "From the tasks of ${local.full_name}."
  referenced_security_group_id = aws_security_group.this.id
  from_port                    = each.value.port
  to_port                      = each.value.port
  ip_protocol                  = "tcp"
  tags                         = var.tags
}

resource "aws_vpc_security_group_ingress_rule" "balancer" {
  count = var.balancer == null ? 0 : 1

  security_group_id            = aws_security_group.this.id
  description                  = "From the load balancer."
  referenced_security_group_id = var.balancer.security_group_id
  from_port                    = var.port
  to_port                      = var.port
  ip_protocol                  = "tcp"
  tags                         = var.tags
}

resource "aws_vpc_security_group_egress_rule" "balancer" {
  count = var.balancer == null ? 0 : 1

  security_group_id            = var.balancer.security_group_id
  description                  = "To the tasks of ${local.full_name}."
  referenced_security_group_id = aws_security_group.this.id
  from_port                    = var.port
  to_port                      = var.port
  ip_protocol                  = "tcp"
  tags                         = var.tags
}
