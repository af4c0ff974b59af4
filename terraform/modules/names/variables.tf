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

variable "domain" {
  description = "Domain that is known inside of the VPC alone, such as `mlops.internal`."
  type        = string

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]{2,}$", var.domain))
    error_message = "`domain` must be a domain in lower case, such as mlops.internal."
  }
}

variable "vpc_id" {
  description = "Id of the VPC; output `vpc_id` of the module `network`."
  type        = string
}

variable "records" {
  description = "Load balancers by the name in the domain under which they are found; `*` takes every name that has none of its own."
  type = map(object({
    dns_name = string
    zone_id  = string
  }))

  validation {
    condition     = alltrue([for key in keys(var.records) : can(regex("^(\\*|[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\\.[a-z0-9-]+)*$", key))])
    error_message = "`records` must have names in lower case, such as `prefect` or `*.serving`, without the domain."
  }
}
