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

variable "cluster_arn" {
  description = "ARN of the ECS cluster; output `arn` of the module `cluster`."
  type        = string

  validation {
    condition     = can(regex("^arn:[^:]+:ecs:[^:]+:[0-9]{12}:cluster/", var.cluster_arn))
    error_message = "`cluster_arn` must be the ARN of an ECS cluster, such as arn:aws:ecs:eu-west-1:123456789012:cluster/mlops-prod."
  }
}

variable "vpc_id" {
  description = "Id of the VPC; output `vpc_id` of the module `network`."
  type        = string
}

variable "subnet_ids" {
  description = "Ids of the private subnets in which tasks run."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) > 0
    error_message = "`subnet_ids` is empty: tasks run in one private subnet or more. Take `private_subnet_ids` of the module `network`."
  }
}

variable "cpu" {
  description = "CPU units of a server; 1024 are one core."
  type        = number
  default     = 512

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096, 8192, 16384], var.cpu)
    error_message = "`cpu` must be 256, 512, 1024, 2048, 4096, 8192 or 16384: Fargate has no other sizes."
  }
}

variable "memory" {
  description = "Memory of a server in MiB."
  type        = number
  default     = 1024

  validation {
    condition = contains(
      {
        "256"   = [512, 1024, 2048]
        "512"   = [for gib in range(1, 5) : gib * 1024]
        "1024"  = [for gib in range(2, 9) : gib * 1024]
        "2048"  = [for gib in range(4, 17) : gib * 1024]
        "4096"  = [for gib in range(8, 31) : gib * 1024]
        "8192"  = [for gib in range(16, 61, 4) : gib * 1024]
        "16384" = [for gib in range(32, 121, 8) : gib * 1024]
      }[tostring(var.cpu)],
      var.memory
    )
    error_message = "`memory` must be one that Fargate has for this `cpu`: 512 to 2048 MiB with 256, 1 to 4 GiB with 512, 2 to 8 with 1024, 4 to 16 with 2048, 8 to 30 with 4096."
  }
}

variable "image" {
  description = "The generic serving image, which fetches a bento when it starts, with a tag or digest that stays what it is."
  type        = string

  validation {
    condition     = can(regex("(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}|@sha256:[0-9a-f]{64})$", var.image)) && !endswith(var.image, ":latest")
    error_message = "`image` must end with a tag or a digest, such as 123456789012.dkr.ecr.eu-west-1.amazonaws.com/mlops-prod/worker:1.4.0, and not with `latest`: what runs must be known."
  }
}

variable "repository_arns" {
  description = "ARNs of the ECR repositories whose images are pulled; empty where images are public."
  type        = list(string)
  default     = []
}

variable "balancer" {
  description = "The load balancer before it: outputs `listener_arn`, `security_group_id`, `scheme` and `arn_suffix` of the module `balancer`."
  type = object({
    listener_arn      = string
    security_group_id = string
    scheme            = string
    arn_suffix        = string
  })
}

variable "domain" {
  description = "Domain below which each model has its name, so that `flights-late` is called as `flights-late.<domain>`."
  type        = string

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]{2,}$", var.domain))
    error_message = "`domain` must be a domain in lower case, such as serving.mlops.internal."
  }
}

variable "models" {
  description = "Models by name: the place of each one's rule among those of the listener, and, where a slot is to grow by itself, up to how many tasks and at how many requests a minute and task."
  type = map(object({
    priority            = number
    most_tasks          = optional(number)
    requests_per_minute = optional(number, 1000)
  }))

  validation {
    condition     = alltrue([for model in keys(var.models) : can(regex("^[a-z][a-z0-9-]{0,22}[a-z0-9]$", model))])
    error_message = "`models` has a name that is no model's: 2 to 24 lower-case letters, digits and hyphens, beginning with a letter, as in its spec."
  }

  validation {
    condition     = length(distinct([for model in var.models : model.priority])) == length(var.models) && alltrue([for model in var.models : model.priority >= 1 && model.priority <= 50000])
    error_message = "`models` must give each model a `priority` of its own, between 1 and 50000: a listener takes no two rules of the same."
  }

  validation {
    condition     = alltrue([for model in var.models : model.most_tasks == null ? true : model.most_tasks >= var.tasks])
    error_message = "`models` has a `most_tasks` that is below `tasks`."
  }
}

variable "tasks" {
  description = "Tasks of a slot that serves; a slot that is empty has none."
  type        = number
  default     = 1

  validation {
    condition     = var.tasks >= 1 && floor(var.tasks) == var.tasks
    error_message = "`tasks` must be a whole number, 1 or more."
  }
}

variable "bentos" {
  description = "Bucket of the bentos, which lie below `bentos/`; output `artifacts_bucket` of the module `storage`."
  type        = string
}

variable "predictions" {
  description = "Bucket to which servers log their predictions, below `predictions/`; output `data_bucket` of the module `storage`."
  type        = string
}

variable "token" {
  description = "The secret with the token that callers show; null for none."
  type        = object({ secret_arn = string })
  default     = null

  validation {
    condition     = var.token == null ? true : can(regex("^arn:[^:]+:secretsmanager:[^:]+:[0-9]{12}:secret:", var.token.secret_arn))
    error_message = "`token` must hold the ARN of a secret in Secrets Manager as `secret_arn`; make it with the module `credentials`."
  }
}

variable "personal_key" {
  description = "The secret with the key of the stand-ins for personal values, for models whose log hashes them; null for none."
  type        = object({ secret_arn = string })
  default     = null

  validation {
    condition     = var.personal_key == null ? true : can(regex("^arn:[^:]+:secretsmanager:[^:]+:[0-9]{12}:secret:", var.personal_key.secret_arn))
    error_message = "`personal_key` must hold the ARN of a secret in Secrets Manager as `secret_arn`; make it with the module `credentials`."
  }
}
