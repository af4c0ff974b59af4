# An Application Load Balancer inside of the VPC; what no rule takes is answered 404.

locals {
  full_name = "${var.name}-${var.balancer}"
  tls       = var.certificate_arn != null
  port      = local.tls ? 443 : 80
}

resource "aws_lb" "this" {
  name                       = local.full_name
  internal                   = true
  load_balancer_type         = "application"
  subnets                    = var.subnet_ids
  security_groups            = [aws_security_group.this.id]
  idle_timeout               = var.idle_seconds
  drop_invalid_header_fields = true
  enable_deletion_protection = var.deletion_protection
  tags                       = var.tags

  access_logs {
    bucket  = var.logs_bucket
    prefix  = "balancer"
    enabled = true
  }
}

resource "aws_lb_listener" "this" {
  load_balancer_arn = aws_lb.this.arn
  port              = local.port
  protocol          = local.tls ? "HTTPS" : "HTTP"
  ssl_policy        = local.tls ? "ELBSecurityPolicy-TLS13-1-2-2021-06" : null
  certificate_arn   = var.certificate_arn
  tags              = var.tags

  default_action {
    type = "fixed-response"

    fixed_response {
      content_type = "text/plain"
      message_body = "Nothing is served under this name."
      status_code  = "404"
    }
  }
}

resource "aws_security_group" "this" {
  name        = "${local.full_name}-balancer"
  description = "The load balancer ${local.full_name}."
  vpc_id      = var.vpc_id
  tags        = merge(var.tags, { Name = "${local.full_name}-balancer" })
}

resource "aws_vpc_security_group_ingress_rule" "client" {
  for_each = var.clients

  security_group_id            = aws_security_group.this.id
  description                  = "From ${each.key}."
  referenced_security_group_id = each.value
  from_port                    = local.port
  to_port                      = local.port
  ip_protocol                  = "tcp"
  tags                         = var.tags
}

resource "aws_vpc_security_group_ingress_rule" "address" {
  for_each = var.client_cidrs

  security_group_id = aws_security_group.this.id
  description       = "From ${each.key}."
  cidr_ipv4         = each.value
  from_port         = local.port
  to_port           = local.port
  ip_protocol       = "tcp"
  tags              = var.tags
}
