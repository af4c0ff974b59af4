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
  secrets       = { personal-key = { description = "Key of the stand-ins for personal values; with another one they match no more." } }
}

# Terraform makes the place, a person puts the value in.
module "given" {
  source = "../../modules/credentials"

  name          = var.name
  kms_key_arn   = module.key.arn
  recovery_days = var.delete_data_on_destroy ? 0 : 30
  generate      = false
  secrets       = { ledger-url = { description = "SQLAlchemy address of the PostgreSQL database that keeps the ledger." } }
}

module "worker" {
  source = "../../modules/worker"

  name               = var.name
  kms_key_arn        = module.key.arn
  cluster_arn        = module.cluster.arn
  vpc_id             = module.network.vpc_id
  subnet_ids         = module.network.private_subnet_ids
  image              = "${module.registry.urls["worker"]}:${var.image_tag}"
  repository_arns    = values(module.registry.arns)
  work_pool          = var.work_pool
  prefect_api_url    = var.prefect_api_url
  api_key_secret_arn = var.prefect_api_key_secret_arn

  flow = {
    statements  = concat(module.storage.flow_statements, local.secret_statements)
    environment = { AWS_DEFAULT_REGION = var.region }
  }
}

locals {
  secret_statements = [
    {
      sid        = "ReadSecretsOfBlocks"
      actions    = ["secretsmanager:GetSecretValue"]
      resources  = compact([module.given.arns["ledger-url"], module.credentials.arns["personal-key"], var.mlflow_secret_arn])
      conditions = {}
    },
    {
      sid        = "DecryptSecretsOfBlocks"
      actions    = ["kms:Decrypt"]
      resources  = [module.key.arn]
      conditions = { StringEquals = { "kms:ViaService" = ["secretsmanager.${var.region}.amazonaws.com"] } }
    },
  ]
}
