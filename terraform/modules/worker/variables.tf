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

variable "image" {
  description = "The image, with a tag or digest that stays what it is."
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
variable "destinations" {
  description = "What the worker and the flows may reach besides HTTPS, by a name: a security group, in which its port is opened for them too."
  type = map(object({
    port              = number
    security_group_id = string
  }))
  default = {}
}

variable "work_pool" {
  description = "Name of the Prefect work pool that the worker polls."
  type        = string
  default     = "ecs"

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{0,39}$", var.work_pool)) && !startswith(var.work_pool, "prefect")
    error_message = "`work_pool` must have 1 to 40 lower-case letters, digits and hyphens, and not begin with `prefect`, which Prefect keeps for itself."
  }
}

variable "prefect_api_url" {
  description = "Address of the Prefect API, such as `https://prefect.mlops.example.org/api`."
  type        = string

  validation {
    condition     = can(regex("^https?://.+/api(/.+)?$", var.prefect_api_url))
    error_message = "`prefect_api_url` must be the address of an API, such as https://prefect.mlops.example.org/api, or that of a workspace in Prefect Cloud."
  }
}

variable "auth" {
  description = "The secret `user:password` that a Prefect server of your own asks for; null where it asks for none."
  type        = object({ secret_arn = string })
  default     = null

  validation {
    condition     = var.auth == null ? true : can(regex("^arn:[^:]+:secretsmanager:[^:]+:[0-9]{12}:secret:", var.auth.secret_arn))
    error_message = "`auth` must hold the ARN of a secret in Secrets Manager as `secret_arn`; make it with the module `credentials`."
  }
}

variable "api_key" {
  description = "The secret that holds an API key of Prefect Cloud; null for a server of your own."
  type        = object({ secret_arn = string })
  default     = null

  validation {
    condition     = var.api_key == null ? true : can(regex("^arn:[^:]+:secretsmanager:[^:]+:[0-9]{12}:secret:", var.api_key.secret_arn))
    error_message = "`api_key` must hold the ARN of a secret in Secrets Manager as `secret_arn`; make it with the module `credentials`."
  }

  validation {
    condition     = var.api_key == null || var.auth == null
    error_message = "`api_key` is for Prefect Cloud and `auth` for a server of your own: give one of them."
  }
}

variable "most_runs" {
  description = "Flow runs that the worker lets run at once; 0 for any number."
  type        = number
  default     = 0

  validation {
    condition     = var.most_runs >= 0 && floor(var.most_runs) == var.most_runs
    error_message = "`most_runs` must be a whole number, 0 or more."
  }
}

variable "cpu" {
  description = "CPU units of the worker, which only starts tasks; 1024 are one core."
  type        = number
  default     = 256

  validation {
    condition     = contains([256, 512, 1024], var.cpu)
    error_message = "`cpu` must be 256, 512 or 1024: a worker starts tasks and computes nothing. What flows have is `flow.cpu`."
  }
}

variable "memory" {
  description = "Memory of the worker in MiB."
  type        = number
  default     = 1024

  validation {
    condition     = var.memory >= 512
    error_message = "`memory` must be 512 MiB or more."
  }
}

variable "flow" {
  description = "What a flow run gets unless its deployment says otherwise: image (that of the worker when null), CPU units, MiB, GiB of disk, and whether on spare capacity, which AWS may take back."
  type = object({
    image    = optional(string)
    cpu      = optional(number, 1024)
    memory   = optional(number, 4096)
    disk_gib = optional(number, 21)
    spot     = optional(bool, false)
    statements = optional(list(object({
      sid        = string
      actions    = list(string)
      resources  = list(string)
      conditions = optional(map(map(list(string))), {})
    })), [])
    environment = optional(map(string), {})
    secrets     = optional(map(string), {})
  })
  default = {}

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096, 8192, 16384], var.flow.cpu)
    error_message = "`flow.cpu` must be 256, 512, 1024, 2048, 4096, 8192 or 16384: Fargate has no other sizes."
  }

  validation {
    condition     = var.flow.memory >= 2 * var.flow.cpu && var.flow.memory <= 8 * var.flow.cpu
    error_message = "`flow.memory` must be twice to eight times the number of `flow.cpu`: Fargate gives a core 2 to 8 GiB."
  }

  validation {
    condition     = var.flow.disk_gib >= 21 && var.flow.disk_gib <= 200
    error_message = "`flow.disk_gib` must be between 21 and 200: Fargate has no other sizes."
  }

  validation {
    condition     = alltrue([for key in keys(var.flow.environment) : !can(regex("PASSWORD|SECRET|TOKEN|AUTH_STRING", key))])
    error_message = "`flow.environment` has a variable whose name says that it is a secret: put it into Secrets Manager and name it in `flow.secrets`."
  }

  validation {
    condition     = alltrue([for arn in values(var.flow.secrets) : can(regex("^arn:[^:]+:secretsmanager:[^:]+:[0-9]{12}:secret:", arn))])
    error_message = "`flow.secrets` has a value that is no ARN of a secret in Secrets Manager. Make the secret with the module `credentials`, and give its ARN and not its content."
  }
}
