# The MLflow server: runs and versions in PostgreSQL, artifacts through it in a bucket.

data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  port       = 5000
  bucket_arn = "arn:${data.aws_partition.current.partition}:s3:::${var.artifacts_bucket}"

  statements = [
    {
      sid        = "ListItsArtifacts"
      actions    = ["s3:ListBucket"]
      resources  = [local.bucket_arn]
      conditions = { StringLike = { "s3:prefix" = ["mlflow", "mlflow/*"] } }
    },
    {
      sid        = "ReadAndWriteItsArtifacts"
      actions    = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"]
      resources  = ["${local.bucket_arn}/mlflow/*"]
      conditions = {}
    },
    {
      sid        = "EncryptItsArtifacts"
      actions    = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources  = [var.kms_key_arn]
      conditions = { StringEquals = { "kms:ViaService" = ["s3.${data.aws_region.current.id}.amazonaws.com"] } }
    },
  ]
}

resource "aws_lb_target_group" "this" {
  #checkov:skip=CKV_AWS_378: TLS ends at the load balancer; from there to the tasks traffic stays between two security groups of the VPC.
  name                 = "${var.name}-tracking"
  vpc_id               = var.vpc_id
  port                 = local.port
  protocol             = "HTTP"
  target_type          = "ip"
  deregistration_delay = 30
  tags                 = var.tags

  health_check {
    path                = "/health"
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

module "service" {
  source = "../service"

  name               = var.name
  service            = "tracking"
  cluster_arn        = var.cluster_arn
  vpc_id             = var.vpc_id
  subnet_ids         = var.subnet_ids
  kms_key_arn        = var.kms_key_arn
  log_retention_days = var.log_retention_days
  image              = var.image
  repository_arns    = var.repository_arns
  command            = ["mlflow", "server", "--host", "0.0.0.0", "--port", tostring(local.port)]
  statements         = local.statements
  cpu                = var.cpu
  memory             = var.memory
  port               = local.port
  tasks              = var.servers
  tags               = var.tags

  environment = {
    AWS_DEFAULT_REGION                 = data.aws_region.current.id
    HOME                               = "/tmp"
    MLFLOW_ARTIFACTS_DESTINATION       = "s3://${var.artifacts_bucket}/mlflow"
    MLFLOW_SERVE_ARTIFACTS             = "true"
    MLFLOW_SERVER_ALLOWED_HOSTS        = join(",", flatten([for host in var.hosts : [host, "${host}:*"]]))
    MLFLOW_SERVER_ENABLE_JOB_EXECUTION = "false"

    # The driver takes place, user and password from the variables of libpq: none of them has to be written into an address.
    MLFLOW_BACKEND_STORE_URI = "postgresql+psycopg://"
    PGDATABASE               = var.database.name
    PGHOST                   = var.database.host
    PGPORT                   = tostring(var.database.port)
    PGSSLMODE                = "require"
    PGUSER                   = var.database.user
  }
  secrets = { PGPASSWORD = "${var.database.secret_arn}:password::" }

  destinations = {
    database = { port = var.database.port, security_group_id = var.database.security_group_id }
  }

  balancer = {
    security_group_id = var.balancer.security_group_id
    target_group_arn  = aws_lb_listener_rule.this.action[0].target_group_arn # ECS takes no group without a listener
  }
}
