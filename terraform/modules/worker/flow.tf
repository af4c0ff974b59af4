# What a flow run gets: two roles, a log, whom it may reach, and the base job template that says so to Prefect.

resource "aws_cloudwatch_log_group" "flow" {
  name              = "/${var.name}/flow"
  kms_key_id        = var.kms_key_arn
  retention_in_days = var.log_retention_days
  tags              = var.tags
}

module "flow_execution_role" {
  source = "../execution-role"

  name            = var.name
  role            = "flow-execution"
  kms_key_arn     = var.kms_key_arn
  repository_arns = var.repository_arns
  secret_arns     = [for arn in concat(values(local.api_secrets), values(var.flow.secrets)) : join(":", slice(split(":", arn), 0, 7))]
  log_group_arns  = [aws_cloudwatch_log_group.flow.arn]
  tags            = var.tags
}

module "flow_role" {
  source = "../role"

  name        = var.name
  role        = "flow-task"
  description = "What flow runs may do."
  statements  = var.flow.statements
  tags        = var.tags
}

resource "aws_security_group" "flow" {
  #checkov:skip=CKV2_AWS_5: Prefect gives it to each task of a flow run, by the work pool's template.
  name        = local.family
  description = "Tasks of flow runs."
  vpc_id      = var.vpc_id
  tags        = merge(var.tags, { Name = local.family })
}

resource "aws_vpc_security_group_egress_rule" "https" {
  security_group_id = aws_security_group.flow.id
  description       = "HTTPS, to AWS and to what flows read."
  cidr_ipv4         = "0.0.0.0/0"
  from_port         = 443
  to_port           = 443
  ip_protocol       = "tcp"
  tags              = var.tags
}

resource "aws_vpc_security_group_egress_rule" "destination" {
  for_each = var.destinations

  security_group_id            = aws_security_group.flow.id
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
  description                  = "From flow runs."
  referenced_security_group_id = aws_security_group.flow.id
  from_port                    = each.value.port
  to_port                      = each.value.port
  ip_protocol                  = "tcp"
  tags                         = var.tags
}

locals {
  # The template of prefect-aws as it ships, so that a deployment may set whatever it may set there.
  shipped = jsondecode(file("${path.module}/prefect-aws-0.7.json"))

  defaults = merge(
    {
      cluster                         = var.cluster_arn
      cpu                             = var.flow.cpu
      execution_role_arn              = module.flow_execution_role.arn
      family                          = local.family
      image                           = local.flow_image
      launch_type                     = var.flow.spot ? "FARGATE_SPOT" : "FARGATE"
      match_latest_revision_in_family = false
      memory                          = var.flow.memory
      task_role_arn                   = module.flow_role.arn
      vpc_id                          = var.vpc_id
      env                             = var.flow.environment
      network_configuration = {
        assignPublicIp = "DISABLED"
        securityGroups = [aws_security_group.flow.id]
        subnets        = var.subnet_ids
      }
    },
    { for name, auth in { prefect_api_auth_string_secret_arn = var.auth, prefect_api_key_secret_arn = var.api_key } : name => auth.secret_arn if auth != null },
  )

  container = merge(local.shipped.job_configuration.task_definition.containerDefinitions[0], {
    secrets = [for key in sort(keys(var.flow.secrets)) : { name = key, valueFrom = var.flow.secrets[key] }]
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.flow.name
        awslogs-region        = local.region
        awslogs-stream-prefix = "flow"
      }
    }
  })

  base_job_template = merge(local.shipped, {
    job_configuration = merge(local.shipped.job_configuration, {
      task_definition = merge(local.shipped.job_configuration.task_definition, {
        containerDefinitions    = [local.container]
        ephemeralStorage        = { sizeInGiB = var.flow.disk_gib }
        networkMode             = "awsvpc"
        requiresCompatibilities = ["FARGATE"]
      })
    })
    variables = merge(local.shipped.variables, {
      properties = {
        for name, property in local.shipped.variables.properties :
        name => merge(property, { for key in [name] : "default" => local.defaults[key] if contains(keys(local.defaults), key) })
      }
    })
  })
}
