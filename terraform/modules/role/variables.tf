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

variable "role" {
  description = "What the role is for, such as `worker`; it is called `<name>-<role>`."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,38}[a-z0-9]$", var.role))
    error_message = "`role` must have 2 to 40 lower-case letters, digits and hyphens: the whole name of a role may have 64 characters."
  }
}

variable "description" {
  description = "What the role does, in a sentence."
  type        = string
}

variable "statements" {
  description = "What the role may do: actions written out, and the resources they are about. A resource `*` needs a condition."
  type = list(object({
    sid        = string
    actions    = list(string)
    resources  = list(string)
    conditions = optional(map(map(list(string))), {})
  }))
  default = []

  validation {
    condition     = alltrue(flatten([for each in var.statements : [for action in each.actions : !strcontains(action, "*")]]))
    error_message = "`statements` has an action with a `*`: write out each action that the role needs."
  }

  validation {
    condition     = alltrue([for each in var.statements : !contains(each.resources, "*") || length(each.conditions) > 0])
    error_message = "`statements` has the resource `*` without a condition: name the resources, or add the condition that bounds them."
  }

  validation {
    condition     = alltrue([for each in var.statements : length(each.actions) > 0 && length(each.resources) > 0 && can(regex("^[A-Za-z0-9]+$", each.sid))])
    error_message = "`statements` has a statement without action or resource, or a `sid` with other characters than letters and digits."
  }
}
