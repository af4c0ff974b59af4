# The cheapest that works: one zone, a worker, buckets and images; Prefect and MLflow are elsewhere.

module "key" {
  source = "../../modules/key"

  name = var.name
}

module "network" {
  source = "../../modules/network"

  name        = var.name
  kms_key_arn = module.key.arn
  zone_count  = 1
}

module "storage" {
  source = "../../modules/storage"

  name                   = var.name
  kms_key_arn            = module.key.arn
  delete_data_on_destroy = var.delete_data_on_destroy
}

module "registry" {
  source = "../../modules/registry"

  name                     = var.name
  kms_key_arn              = module.key.arn
  repositories             = ["worker"]
  delete_images_on_destroy = var.delete_data_on_destroy
}

module "cluster" {
  source = "../../modules/cluster"

  name               = var.name
  kms_key_arn        = module.key.arn
  container_insights = false
}

module "credentials" {
  source = "../../modules/credentials"

  name          = var.name
  kms_key_arn   = module.key.arn
  recovery_days = var.delete_data_on_destroy ? 0 : 30
  secrets       = { personal-key = { description = "The key of the stand-ins for personal values." } }
}

# The address of the ledger's database is written into this secret by hand, for it holds a password of yours.
module "addresses" {
  source = "../../modules/credentials"

  name          = var.name
  kms_key_arn   = module.key.arn
  generate      = false
  recovery_days = var.delete_data_on_destroy ? 0 : 30
  secrets       = { ledger = { description = "SQLAlchemy address of the database of the ledger, its password included." } }
}

locals {
  image = "${module.registry.urls["worker"]}:${var.image_tag}"
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

module "worker" {
  source = "../../modules/worker"

  name            = var.name
  kms_key_arn     = module.key.arn
  cluster_arn     = module.cluster.arn
  vpc_id          = module.network.vpc_id
  subnet_ids      = module.network.private_subnet_ids
  image           = local.image
  repository_arns = values(module.registry.arns)
  work_pool       = var.work_pool
  prefect_api_url = var.prefect_api_url
  api_key         = var.prefect_api_key_secret_arn == null ? null : { secret_arn = var.prefect_api_key_secret_arn }

  flow = {
    statements = concat(module.storage.flow_statements, [
      merge(module.credentials.reader_statements[0], {
        resources = concat([module.credentials.arns["personal-key"], module.addresses.arns["ledger"]], var.mlflow_secret_arn == null ? [] : [var.mlflow_secret_arn])
      }),
      module.credentials.reader_statements[1],
    ])
    environment = {
      AWS_DEFAULT_REGION  = var.region
      MLFLOW_TRACKING_URI = var.mlflow_tracking_uri
    }
  }
}
