# The Prefect server: its API and UI behind a load balancer, and its services beside them or in a task of their own.

locals {
  port   = 4200
  shared = var.messaging != null

  environment = merge(
    {
      HOME                                             = "/tmp"
      PREFECT_HOME                                     = "/tmp/prefect"
      PREFECT_SERVER_ANALYTICS_ENABLED                 = "false"
      PREFECT_SERVER_DATABASE_DRIVER                   = "postgresql+asyncpg"
      PREFECT_SERVER_DATABASE_HOST                     = var.database.host
      PREFECT_SERVER_DATABASE_NAME                     = var.database.name
      PREFECT_SERVER_DATABASE_PORT                     = tostring(var.database.port)
      PREFECT_SERVER_DATABASE_USER                     = var.database.user
      PREFECT_SERVER_UI_API_URL                        = "${var.url}/api"
      PREFECT_SERVER_UI_STATIC_DIRECTORY               = "/tmp/prefect-ui"
      PREFECT_DEPLOYMENT_CONCURRENCY_SLOT_WAIT_SECONDS = "5"
    },
    local.shared ? {
      PREFECT_MESSAGING_BROKER                 = "prefect_redis.messaging"
      PREFECT_MESSAGING_CACHE                  = "prefect_redis.messaging"
      PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE = "prefect_redis.lease_storage"
      PREFECT_SERVER_EVENTS_CAUSAL_ORDERING    = "prefect_redis.ordering"
      PREFECT_REDIS_MESSAGING_HOST             = var.messaging.host
      PREFECT_REDIS_MESSAGING_PORT             = tostring(var.messaging.port)
      PREFECT_REDIS_MESSAGING_SSL              = "true"
    } : tomap({}),
    var.settings,
  )
  secrets = merge(
    { PREFECT_SERVER_DATABASE_PASSWORD = "${var.database.secret_arn}:password::" },
    { for name, auth in { PREFECT_SERVER_API_AUTH_STRING = var.auth } : name => auth.secret_arn if auth != null },
  )
  destinations = merge(
    { database = { port = var.database.port, security_group_id = var.database.security_group_id } },
    { for name, place in { messaging = var.messaging } : name => { port = place.port, security_group_id = place.security_group_id } if place != null },
  )
}

resource "aws_lb_target_group" "this" {
  #checkov:skip=CKV_AWS_378: TLS ends at the load balancer; from there to the tasks traffic stays between two security groups of the VPC.
  name                 = "${var.name}-server"
  vpc_id               = var.vpc_id
  port                 = local.port
  protocol             = "HTTP"
  target_type          = "ip"
  deregistration_delay = 30
  tags                 = var.tags

  # Ready means that its database answers too: a task whose password was changed is replaced by one that reads the new one.
  health_check {
    path                = "/api/ready"
    matcher             = "200"
    interval            = 15
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 4
  }
}

resource "aws_lb_listener_rule" "this" {
  listener_arn = var.balancer.listener_arn
  priority     = var.priority
  tags         = var.tags

  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this.arn
  }

  condition {
    host_header {
      values = var.hosts
    }
  }
}

module "api" {
  source = "../service"

  name               = var.name
  service            = "server"
  cluster_arn        = var.cluster_arn
  vpc_id             = var.vpc_id
  subnet_ids         = var.subnet_ids
  kms_key_arn        = var.kms_key_arn
  log_retention_days = var.log_retention_days
  image              = var.image
  repository_arns    = var.repository_arns
  command            = concat(["prefect", "server", "start", "--host", "0.0.0.0", "--port", tostring(local.port)], local.shared ? ["--no-services"] : [])
  environment        = local.environment
  secrets            = local.secrets
  destinations       = local.destinations
  cpu                = var.cpu
  memory             = var.memory
  port               = local.port
  tasks              = var.servers
  tags               = var.tags

  balancer = {
    security_group_id = var.balancer.security_group_id
    target_group_arn  = aws_lb_listener_rule.this.action[0].target_group_arn # ECS takes no group without a listener
  }
}

module "services" {
  source = "../service"
  count  = local.shared ? 1 : 0

  name               = var.name
  service            = "server-services"
  cluster_arn        = var.cluster_arn
  vpc_id             = var.vpc_id
  subnet_ids         = var.subnet_ids
  kms_key_arn        = var.kms_key_arn
  log_retention_days = var.log_retention_days
  image              = var.image
  repository_arns    = var.repository_arns
  command            = ["prefect", "server", "services", "start"]
  environment        = local.environment
  secrets            = local.secrets
  destinations       = local.destinations
  cpu                = var.cpu
  memory             = var.memory
  tags               = var.tags
}
