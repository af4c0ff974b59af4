# What flows and models need: a worker, slots, landings, alarms, and roles for workflows.

module "serving" {
  source = "../../modules/serving"

  name            = var.name
  kms_key_arn     = module.key.arn
  cluster_arn     = module.cluster.arn
  vpc_id          = module.network.vpc_id
  subnet_ids      = module.network.private_subnet_ids
  image           = "${module.registry.urls["serving"]}:${var.image_tag}"
  repository_arns = [module.registry.arns["serving"]]
  balancer        = module.balancer["serving"]
  domain          = "serving.${var.domain}"
  models          = var.models
  tasks           = 2
  bentos          = module.storage.artifacts_bucket
  predictions     = module.storage.data_bucket
  token           = { secret_arn = module.credentials.arns["serving-token"] }
}

locals {
  ledger = module.database["ledger"].connection
  image  = "${module.registry.urls["worker"]}:${var.image_tag}"
}

data "aws_ecr_repository" "worker" {
  name = split(":repository/", module.registry.arns["worker"])[1] # known once the repository is there
}

# A warning and no error: one apply makes the repository too, and ECS starts tasks as soon as the image is there.
check "image_tag" {
  assert {
    condition     = contains(data.aws_ecr_repository.worker.most_recent_image_tags, var.image_tag)
    error_message = "`image_tag` is ${var.image_tag}, and the newest image of ${data.aws_ecr_repository.worker.name} has no such tag. Tasks start from an image that is there: push it under that tag, or set `image_tag` to a tag that was pushed."
  }
}

module "events" {
  source = "../../modules/events"

  name        = var.name
  kms_key_arn = module.key.arn
  bucket      = module.storage.data_bucket
  landings    = { batches = var.landing }
}

module "worker" {
  source = "../../modules/worker"

  name            = var.name
  kms_key_arn     = module.key.arn
  cluster_arn     = module.cluster.arn
  vpc_id          = module.network.vpc_id
  subnet_ids      = module.network.private_subnet_ids
  image           = local.image
  repository_arns = [module.registry.arns["worker"]]
  work_pool       = var.work_pool
  prefect_api_url = module.server.api_url
  auth            = { secret_arn = module.credentials.arns["prefect-auth"] }

  destinations = merge(
    { for key, balancer in module.balancer : key => { port = balancer.port, security_group_id = balancer.security_group_id } },
    { ledger = { port = local.ledger.port, security_group_id = local.ledger.security_group_id } },
    # A release sends a shadow what its champion answered, straight to the servers.
    { servers = module.serving.servers },
  )

  flow = {
    statements = concat(module.storage.flow_statements, module.events.reader_statements, module.serving.release_statements, [
      merge(module.credentials.reader_statements[0], {
        resources = [local.ledger.secret_arn, module.credentials.arns["personal-key"], module.credentials.arns["serving-token"]]
      }),
      module.credentials.reader_statements[1],
    ])
    environment = { AWS_DEFAULT_REGION = var.region, MLFLOW_TRACKING_URI = module.tracking.url }
  }
}

module "alarms" {
  source = "../../modules/alarms"

  name         = var.name
  kms_key_arn  = module.key.arn
  emails       = var.emails
  cluster_name = module.cluster.name
  services     = merge({ worker = module.worker.service_name, tracking = module.tracking.service_name }, { for index, service in module.server.service_names : "server-${index}" => service })
  queues       = module.events.queue_names
  dead_queues  = merge(module.events.dead_queue_names, { flow-ends = module.worker.ends_queue.dead_name })
  balancers    = { for key, balancer in module.balancer : key => balancer.arn_suffix }
  databases    = { for key, database in module.database : key => database.identifier }
  budget_usd   = var.budget_usd
}

module "ci" {
  source = "../../modules/ci"
  count  = var.github_repository == null ? 0 : 1

  name       = var.name
  repository = var.github_repository
  roles = {
    plan = {
      subjects    = ["pull_request"]
      policy_arns = ["arn:aws:iam::aws:policy/ReadOnlyAccess"]
    }
    images = {
      subjects = ["ref:refs/heads/main"]
      statements = [
        {
          sid        = "AskForATokenOfTheRegistry" # AWS knows no resource for it
          actions    = ["ecr:GetAuthorizationToken"]
          resources  = ["*"]
          conditions = { StringEquals = { "aws:RequestedRegion" = [var.region] } }
        },
        {
          sid = "PushImages"
          actions = [
            "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:DescribeImages",
            "ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart",
          ]
          resources = values(module.registry.arns)
        },
      ]
    }
  }
}
