mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name        = "mlops-test"
  kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  vpc_id      = "vpc-1"
  subnet_ids  = ["subnet-1", "subnet-2"]
}

run "a_second_node_takes_over_and_everything_is_encrypted" {
  command = plan

  module {
    source = "./modules/messaging"
  }

  variables {
    clients = {
      server = "sg-1"
    }
  }

  assert {
    condition     = aws_elasticache_replication_group.this.num_cache_clusters == 2 && aws_elasticache_replication_group.this.automatic_failover_enabled && aws_elasticache_replication_group.this.multi_az_enabled
    error_message = "Nobody takes over."
  }

  assert {
    condition     = aws_elasticache_replication_group.this.transit_encryption_mode == "required" && aws_elasticache_replication_group.this.kms_key_id == var.kms_key_arn
    error_message = "It is not encrypted."
  }

  assert {
    condition     = aws_elasticache_replication_group.this.auth_token == null && aws_vpc_security_group_ingress_rule.client["server"].from_port == 6379
    error_message = "A token stands in the state, or the client cannot connect."
  }
}

run "one_node_is_enough_for_a_trial_and_users_can_be_asked_for" {
  command = plan

  module {
    source = "./modules/messaging"
  }

  variables {
    replicas      = 0
    user_group_id = "mlops-users"
  }

  assert {
    condition     = aws_elasticache_replication_group.this.num_cache_clusters == 1 && !aws_elasticache_replication_group.this.automatic_failover_enabled && contains(aws_elasticache_replication_group.this.user_group_ids, "mlops-users")
    error_message = "There are others."
  }
}

run "each_of_these_values_is_refused" {
  command = plan

  module {
    source = "./modules/messaging"
  }

  variables {
    # Capitals.
    name = "Mlops"
    # An alias is no key.
    kms_key_arn = "alias/mlops"
    # One zone.
    subnet_ids = ["subnet-1"]
    # Not as AWS writes it.
    node_type = "t4g.micro"
    # One too many.
    replicas = 6
    # No snapshot.
    snapshot_days = 0
  }

  expect_failures = [var.kms_key_arn, var.name, var.node_type, var.replicas, var.snapshot_days, var.subnet_ids]
}

run "each_of_these_is_refused_too" {
  command = plan

  module {
    source = "./modules/messaging"
  }

  variables {
    # 21 characters, one too many.
    name = "mlops-production-2026"
  }

  expect_failures = [var.name]
}
