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

variable "vpc_id" {
  description = "Id of the VPC; output `vpc_id` of the module `network`."
  type        = string
}

variable "subnet_ids" {
  description = "Ids of private subnets in two zones or more."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "`subnet_ids` must hold subnets of two zones or more: AWS takes no fewer here. Set `zone_count` of the module `network` to 2."
  }
}

variable "clients" {
  description = "Ids of the security groups that may connect, by a name; nobody else may."
  type        = map(string)
  default     = {}
}

variable "node_type" {
  description = "Size of a node."
  type        = string
  default     = "cache.t4g.micro"

  validation {
    condition     = can(regex("^cache\\.[a-z0-9]+\\.[a-z0-9]+$", var.node_type))
    error_message = "`node_type` must be written as AWS does, such as cache.t4g.micro."
  }
}

variable "replicas" {
  description = "Further nodes, one of which takes over when the first is lost; 0 for none."
  type        = number
  default     = 1

  validation {
    condition     = var.replicas >= 0 && var.replicas <= 5
    error_message = "`replicas` must be between 0 and 5."
  }
}

variable "snapshot_days" {
  description = "Days for which the nightly snapshots are kept."
  type        = number
  default     = 7

  validation {
    condition     = var.snapshot_days >= 1 && var.snapshot_days <= 35
    error_message = "`snapshot_days` must be between 1 and 35."
  }
}

variable "user_group_id" {
  description = "Id of the ElastiCache user group whose users may log in; null where the security group alone decides."
  type        = string
  default     = null
}
