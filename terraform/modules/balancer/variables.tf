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

variable "balancer" {
  description = "What is behind the load balancer, such as `serving`; it is called `<name>-<balancer>`."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{0,10}$", var.balancer))
    error_message = "`balancer` must have 1 to 11 lower-case letters and digits: the whole name of a load balancer may have 32 characters."
  }
}

variable "client_cidrs" {
  description = "Blocks of addresses that may connect, such as those of a VPN; none by default."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for each in var.client_cidrs : can(cidrhost(each, 0)) && each != "0.0.0.0/0"])
    error_message = "`client_cidrs` must hold IPv4 blocks such as 10.20.0.0/16, and not all addresses: the load balancer is internal."
  }
}

variable "certificate_arn" {
  description = "ARN of the ACM certificate for HTTPS; null for plain HTTP, which `plain_http` must allow."
  type        = string
  default     = null

  validation {
    condition     = var.certificate_arn == null ? true : can(regex("^arn:[^:]+:(acm|iam):", var.certificate_arn))
    error_message = "`certificate_arn` must be the ARN of a certificate in ACM or IAM."
  }

  validation {
    condition     = var.certificate_arn != null || var.plain_http
    error_message = "`certificate_arn` is missing: give the ARN of a certificate, or set `plain_http = true` and accept that passwords and data cross the VPC unencrypted."
  }
}

variable "plain_http" {
  description = "Whether requests may come unencrypted; for trials only."
  type        = bool
  default     = false
}

variable "logs_bucket" {
  description = "Bucket of the access logs, written below `balancer/`; output `logs_bucket` of the module `storage`."
  type        = string
}

variable "idle_seconds" {
  description = "Seconds after which an idle connection is closed; longer than the slowest answer."
  type        = number
  default     = 60

  validation {
    condition     = var.idle_seconds >= 1 && var.idle_seconds <= 4000
    error_message = "`idle_seconds` must be between 1 and 4000."
  }
}

variable "deletion_protection" {
  description = "Whether AWS refuses to delete the load balancer; switch it off and apply before a `terraform destroy`."
  type        = bool
  default     = true
}
