# Everything in three zones: data, images, databases, and the servers of Prefect and MLflow.

module "key" {
  source = "../../modules/key"

  name = var.name
}

module "network" {
  source = "../../modules/network"

  name        = var.name
  kms_key_arn = module.key.arn
  zone_count  = 3
  egress      = "nat-per-zone"
}

module "storage" {
  source = "../../modules/storage"

  name                   = var.name
  kms_key_arn            = module.key.arn
  infrequent_after_days  = 90
  delete_data_on_destroy = var.delete_data_on_destroy
}

module "registry" {
  source = "../../modules/registry"

  name                     = var.name
  kms_key_arn              = module.key.arn
  delete_images_on_destroy = var.delete_data_on_destroy
}

module "cluster" {
  source = "../../modules/cluster"

  name        = var.name
  kms_key_arn = module.key.arn
}

module "credentials" {
  source = "../../modules/credentials"

  name          = var.name
  kms_key_arn   = module.key.arn
  recovery_days = var.protect ? 30 : 0
  secrets = {
    prefect-auth  = { description = "What clients of the Prefect server show.", prefix = "mlops:" }
    serving-token = { description = "What callers of the models show." }
    personal-key  = { description = "The key of the stand-ins for personal values." }
  }
}

module "database" {
  source   = "../../modules/database"
  for_each = toset(["prefect", "mlflow", "ledger"])

  name                = var.name
  database            = each.key
  kms_key_arn         = module.key.arn
  vpc_id              = module.network.vpc_id
  subnet_ids          = module.network.private_subnet_ids
  deletion_protection = var.protect
  final_snapshot      = var.protect
}

module "messaging" {
  source = "../../modules/messaging"

  name        = var.name
  kms_key_arn = module.key.arn
  vpc_id      = module.network.vpc_id
  subnet_ids  = module.network.private_subnet_ids
}

module "balancer" {
  source   = "../../modules/balancer"
  for_each = toset(["platform", "serving"])

  name                = var.name
  balancer            = each.key
  vpc_id              = module.network.vpc_id
  subnet_ids          = module.network.private_subnet_ids
  client_cidrs        = var.client_cidrs
  certificate_arn     = var.certificate_arn
  plain_http          = var.plain_http
  logs_bucket         = module.storage.logs_bucket
  deletion_protection = var.protect
}

module "names" {
  source = "../../modules/names"

  name   = var.name
  domain = var.domain
  vpc_id = module.network.vpc_id
  records = {
    prefect     = { dns_name = module.balancer["platform"].dns_name, zone_id = module.balancer["platform"].zone_id }
    mlflow      = { dns_name = module.balancer["platform"].dns_name, zone_id = module.balancer["platform"].zone_id }
    "*.serving" = { dns_name = module.balancer["serving"].dns_name, zone_id = module.balancer["serving"].zone_id }
  }
}

locals {
  scheme     = module.balancer["platform"].scheme
  server_url = "${local.scheme}://prefect.${var.domain}"
  mlflow_url = "${local.scheme}://mlflow.${var.domain}"
}

module "server" {
  source = "../../modules/server"

  name            = var.name
  kms_key_arn     = module.key.arn
  cluster_arn     = module.cluster.arn
  vpc_id          = module.network.vpc_id
  subnet_ids      = module.network.private_subnet_ids
  image           = "${module.registry.urls["server"]}:${var.image_tag}"
  repository_arns = [module.registry.arns["server"]]
  balancer        = module.balancer["platform"]
  hosts           = ["prefect.${var.domain}"]
  priority        = 10
  url             = local.server_url
  database        = module.database["prefect"].connection
  messaging       = module.messaging.connection
  auth            = { secret_arn = module.credentials.arns["prefect-auth"] }
  servers         = 2
  cpu             = 1024
  memory          = 2048
}

module "tracking" {
  source = "../../modules/tracking"

  name             = var.name
  kms_key_arn      = module.key.arn
  cluster_arn      = module.cluster.arn
  vpc_id           = module.network.vpc_id
  subnet_ids       = module.network.private_subnet_ids
  image            = "${module.registry.urls["server"]}:${var.image_tag}"
  repository_arns  = [module.registry.arns["server"]]
  balancer         = module.balancer["platform"]
  hosts            = ["mlflow.${var.domain}"]
  priority         = 20
  url              = local.mlflow_url
  database         = module.database["mlflow"].connection
  artifacts_bucket = module.storage.artifacts_bucket
  cpu              = 1024
  memory           = 2048
}
