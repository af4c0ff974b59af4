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

variable "repository" {
  description = "The GitHub repository, `owner/name`."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.repository))
    error_message = "`repository` must be written as owner/name, without wildcards: who may take the roles must be known."
  }
}

variable "make_provider" {
  description = "Whether the account's OIDC provider of GitHub is made here; an account has one."
  type        = bool
  default     = true
}

variable "roles" {
  description = "Roles that workflows take, by name: in which runs (such as `pull_request`, `ref:refs/heads/main` or `environment:production`), and what they may do."
  type = map(object({
    subjects    = list(string)
    policy_arns = optional(list(string), [])
    statements = optional(list(object({
      sid        = string
      actions    = list(string)
      resources  = list(string)
      conditions = optional(map(map(list(string))), {})
    })), [])
    boundary_arn = optional(string)
  }))

  validation {
    condition = alltrue(flatten([
      for role in var.roles : [
        for subject in role.subjects : subject == "pull_request" || can(regex("^(ref:refs/(heads|tags)/|environment:)[A-Za-z0-9._/-]+$", subject))
      ]
    ])) && alltrue([for role in var.roles : length(role.subjects) > 0])
    error_message = "`roles` must give each role its runs: `pull_request`, `ref:refs/heads/<branch>`, `ref:refs/tags/<tag>` or `environment:<name>`, without wildcards."
  }

  validation {
    condition = alltrue(flatten([
      for role in var.roles : [
        for each in role.statements : [for action in each.actions : !strcontains(action, "*")]
      ]
    ]))
    error_message = "`roles` has a statement with a `*` in an action: write out each action that the role needs."
  }

  validation {
    condition = alltrue(flatten([
      for role in var.roles : [for each in role.statements : !contains(each.resources, "*") || length(each.conditions) > 0]
    ]))
    error_message = "`roles` has a statement with the resource `*` and no condition: name the resources, or add the condition that bounds them."
  }

  validation {
    condition = alltrue([
      for role in var.roles : !contains(role.subjects, "pull_request") || alltrue([for arn in role.policy_arns : can(regex("ReadOnly|ViewOnly", arn))])
    ])
    error_message = "`roles` lets a pull request take a role whose policy is not read-only: whoever opens one could change the account."
  }
}
