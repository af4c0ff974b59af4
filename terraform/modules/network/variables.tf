variable "name" {
  description = "Name of the environment, such as `mlops-prod`; what is made here is called after it."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,18}[a-z0-9]$", var.name))
    error_message = "`name` must have 2 to 20 characters: lower-case letters, digits and hyphens, beginning with a letter. Shorten it, or write it in lower case."
  }
}

variable "tags" {
  description = "Tags of everything that is made here."
  type        = map(string)
  default     = {}
}

variable "kms_key_arn" {
  description = "ARN of the KMS key that encrypts what is stored here; output `arn` of the module `key`."
  type        = string

  validation {
    condition     = can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/", var.kms_key_arn))
    error_message = "`kms_key_arn` must be the ARN of a key, such as arn:aws:kms:eu-west-1:123456789012:key/...; an alias or an id is not enough."
  }
}

variable "log_retention_days" {
  description = "Days after which CloudWatch deletes log lines."
  type        = number
  default     = 365

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "`log_retention_days` must be a number that CloudWatch knows: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731 or whole years up to ten."
  }
}

variable "cidr" {
  description = "Addresses of the VPC, a private block of /16 to /24 such as `10.20.0.0/16`."
  type        = string
  default     = "10.20.0.0/16"

  validation {
    condition     = can(cidrhost(var.cidr, 0)) && can(regex("/(1[6-9]|2[0-4])$", var.cidr))
    error_message = "`cidr` must be an IPv4 block of /16 to /24, such as 10.20.0.0/16: AWS makes no VPC that is larger, and a smaller one has no room for subnets in three zones."
  }
}

variable "zone_count" {
  description = "Availability zones with subnets; two or more where a database or a load balancer is."
  type        = number
  default     = 2

  validation {
    condition     = var.zone_count >= 1 && var.zone_count <= 3 && floor(var.zone_count) == var.zone_count
    error_message = "`zone_count` must be 1, 2 or 3."
  }
}

variable "private_cidrs" {
  description = "Blocks of the private subnets, one a zone; derived from `cidr` when empty."
  type        = list(string)
  default     = []

  validation {
    condition     = length(var.private_cidrs) == 0 || length(var.private_cidrs) == var.zone_count
    error_message = "`private_cidrs` must hold one block for each of the `zone_count` zones, or be empty."
  }

  validation {
    condition     = alltrue([for each in concat(var.private_cidrs, var.public_cidrs) : can(cidrhost(each, 0)) && can(regex("/(1[6-9]|2[0-8])$", each))])
    error_message = "`private_cidrs` and `public_cidrs` must be IPv4 blocks of /16 to /28, such as 10.20.0.0/20."
  }

  # Of two blocks one lies in the other, or they are apart: so they overlap when they begin alike at the wider mask.
  validation {
    condition = alltrue(flatten([
      for i, one in concat(var.private_cidrs, var.public_cidrs) : [
        for other in slice(concat(var.private_cidrs, var.public_cidrs), i + 1, length(var.private_cidrs) + length(var.public_cidrs)) :
        try(
          cidrhost("${split("/", one)[0]}/${min(tonumber(split("/", one)[1]), tonumber(split("/", other)[1]))}", 0) !=
          cidrhost("${split("/", other)[0]}/${min(tonumber(split("/", one)[1]), tonumber(split("/", other)[1]))}", 0),
          true
        )
      ]
    ]))
    error_message = "`private_cidrs` and `public_cidrs` overlap: no address may lie in two subnets. Leave both empty to have them derived from `cidr`."
  }

  validation {
    condition = alltrue([
      for each in concat(var.private_cidrs, var.public_cidrs) :
      try(cidrhost("${split("/", each)[0]}/${split("/", var.cidr)[1]}", 0) == cidrhost(var.cidr, 0), true)
    ])
    error_message = "`private_cidrs` and `public_cidrs` must lie inside `cidr`."
  }
}

variable "public_cidrs" {
  description = "Blocks of the public subnets, which hold nothing but NAT gateways; derived from `cidr` when empty."
  type        = list(string)
  default     = []

  validation {
    condition     = length(var.public_cidrs) == 0 || length(var.public_cidrs) == var.zone_count
    error_message = "`public_cidrs` must hold one block for each of the `zone_count` zones, or be empty."
  }
}

variable "egress" {
  description = "How tasks reach AWS and the internet: `nat` (one gateway), `nat-per-zone`, or `endpoints` (AWS only)."
  type        = string
  default     = "nat"

  validation {
    condition     = contains(["nat", "nat-per-zone", "endpoints"], var.egress)
    error_message = "`egress` must be \"nat\", \"nat-per-zone\" or \"endpoints\"."
  }
}

variable "interface_endpoints" {
  description = "AWS services reached inside the VPC where `egress` is `endpoints`; S3 always is, and costs nothing."
  type        = set(string)
  default = [
    "ecr.api", "ecr.dkr", "ecs", "elasticloadbalancing", "kms", "logs", "monitoring", "secretsmanager", "sqs", "sts",
  ]
}

variable "flow_logs" {
  description = "Whether all traffic is written to a log group."
  type        = bool
  default     = true
}
