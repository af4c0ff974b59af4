# Alarms about requests, databases and cost.

resource "aws_cloudwatch_metric_alarm" "errors" {
  for_each = var.balancers

  alarm_name          = "${var.name}-${each.key}-5xx"
  alarm_description   = "More than ${var.most_5xx_percent}% of the requests to ${each.key} are answered 5xx. Look at the log of what is behind it."
  evaluation_periods  = 5
  datapoints_to_alarm = 3
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.most_5xx_percent
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.this.arn]
  ok_actions          = [aws_sns_topic.this.arn]
  tags                = var.tags

  metric_query {
    id          = "percent"
    label       = "Requests answered 5xx, in percent"
    expression  = "100 * (FILL(behind, 0) + FILL(balancer, 0)) / requests"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = {
      balancer = "HTTPCode_ELB_5XX_Count"
      behind   = "HTTPCode_Target_5XX_Count"
      requests = "RequestCount"
    }

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/ApplicationELB"
        metric_name = metric_query.value
        dimensions  = { LoadBalancer = each.value }
        stat        = "Sum"
        period      = 60
      }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "slow" {
  for_each = var.balancers

  alarm_name          = "${var.name}-${each.key}-p99"
  alarm_description   = "One of a hundred requests to ${each.key} takes longer than ${var.latency_p99_ms} ms. Look at the CPU of what is behind it."
  namespace           = "AWS/ApplicationELB"
  metric_name         = "TargetResponseTime"
  dimensions          = { LoadBalancer = each.value }
  extended_statistic  = "p99"
  period              = 60
  evaluation_periods  = 5
  datapoints_to_alarm = 3
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.latency_p99_ms / 1000
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.this.arn]
  ok_actions          = [aws_sns_topic.this.arn]
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "storage" {
  for_each = var.databases

  alarm_name          = "${var.name}-${each.key}-storage"
  alarm_description   = "The database ${each.value} has less than ${var.least_storage_gib} GiB left. Raise most_storage_gib."
  namespace           = "AWS/RDS"
  metric_name         = "FreeStorageSpace"
  dimensions          = { DBInstanceIdentifier = each.value }
  statistic           = "Minimum"
  period              = 300
  evaluation_periods  = 2
  comparison_operator = "LessThanThreshold"
  threshold           = var.least_storage_gib * 1073741824
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.this.arn]
  ok_actions          = [aws_sns_topic.this.arn]
  tags                = var.tags
}

resource "aws_budgets_budget" "this" {
  count = var.budget_usd == null ? 0 : 1

  name         = "${var.name}-month"
  budget_type  = "COST"
  limit_amount = tostring(var.budget_usd)
  limit_unit   = "USD"
  time_unit    = "MONTHLY"
  tags         = var.tags

  dynamic "notification" {
    for_each = { ACTUAL = 80, FORECASTED = 100 }

    content {
      comparison_operator       = "GREATER_THAN"
      notification_type         = notification.key
      threshold                 = notification.value
      threshold_type            = "PERCENTAGE"
      subscriber_sns_topic_arns = [aws_sns_topic.this.arn]
    }
  }

  depends_on = [aws_sns_topic_policy.this] # AWS asks the topic whether it may publish there
}
